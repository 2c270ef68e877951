"""What tests/engines/run is made of: models on mounts, engines on folders, and the tables of what came of it."""
