"""The analytics store: DuckLake, with its catalogue in Postgres and its data in Parquet files."""
