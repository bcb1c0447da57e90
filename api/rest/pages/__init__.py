"""Pages of HTML: the home page and the API's description."""
