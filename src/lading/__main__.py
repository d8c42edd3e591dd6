"""`python -m lading`: the command line."""

from lading.cli.app import main

main()
