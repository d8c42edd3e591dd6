"""What all tests of a process share, and make once: gone with the process."""

from tempfile import TemporaryDirectory

KEPT = TemporaryDirectory(prefix="lading-test-", ignore_cleanup_errors=True)
