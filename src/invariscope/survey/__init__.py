"""People classify the images of a study in a browser: design, server, answers, export."""
