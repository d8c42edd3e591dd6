"""Where bytes live: a folder, or S3 and what speaks its language."""
