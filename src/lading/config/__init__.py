"""What a user writes: models per concern, and a loader with good errors."""
