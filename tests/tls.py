"""One context for every HTTP client of the tests: making it takes longer than most of them."""

import ssl

TLS = ssl.create_default_context()
