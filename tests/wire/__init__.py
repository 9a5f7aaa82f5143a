"""What must hold on the wire, on raw sockets and with real peers."""
