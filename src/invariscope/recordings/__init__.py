"""Recordings of labs as responses to images: NWB, neo, phy, arrays, tables; noise."""
