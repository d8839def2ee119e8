"""Everything a person touches: the command line, and later the pages and the API."""
