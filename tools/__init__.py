"""Development only: generates what follows from the code, and checks what is generated and deployed."""
