"""What runs inside a container: the supervisor, and one function a kind."""
