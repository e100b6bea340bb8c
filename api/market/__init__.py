"""Market data in the API process, without secrets: rules, prices, books, candles, feeds."""
