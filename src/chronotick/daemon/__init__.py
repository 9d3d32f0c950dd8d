"""Run: configuration, host clocks, sockets and the pipeline from packets to the segment."""
