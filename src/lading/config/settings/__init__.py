"""One settings model for each kind of stage."""
