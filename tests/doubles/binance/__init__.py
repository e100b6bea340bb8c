"""A local server that speaks Binance's spot and USD-M futures wire, for tests."""
