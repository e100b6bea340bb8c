"""SQL of analysts over the lake, and what tables it has."""
