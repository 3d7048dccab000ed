"""The EC2 service: serves the web client and forwards its calls to API Gateway, signed."""
