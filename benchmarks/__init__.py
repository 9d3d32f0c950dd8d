"""What is measured, each a script. A package, so that no other of this name is found first."""
