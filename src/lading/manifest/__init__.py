"""What is handed on from stage to stage."""
