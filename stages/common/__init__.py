"""The library behind the stages; it never imports a stage."""
