"""`python -m lading.report STORE RUN`: writes a run's page, behind the back of a command that has ended."""

import sys

from lading.report.write import write
from lading.store.opening import open_store

if __name__ == "__main__":
    write(open_store(sys.argv[1]), sys.argv[2])
