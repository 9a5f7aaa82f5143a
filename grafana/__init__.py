"""The Grafana dashboards, and the program that writes them. Standard library only: `./dev dashboards`."""
