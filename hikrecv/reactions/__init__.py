"""What happens next: plugins, rules and couriers."""
