"""lading: a PyTorch model's way from data to a phone, as batch jobs that hand each other checked manifests."""

__version__ = "0.1.0"
