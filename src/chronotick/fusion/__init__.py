"""Fuse: hard bound, calibrated bound and status of the published correction; pure."""
