"""Tensors: data, models, training, metrics, formats; knows neither store nor manifests."""
