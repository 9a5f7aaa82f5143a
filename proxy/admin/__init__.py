"""The admin application: health, metrics, the API, and the files of the console. It never shares a port with the data plane."""
