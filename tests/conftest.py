"""What all tests share: properties are searched without a clock, since a busy machine is no counterexample."""

from hypothesis import HealthCheck, settings

settings.register_profile("lading", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lading")
