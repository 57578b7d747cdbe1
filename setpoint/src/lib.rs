//! Setpoint keeps a fleet of containers at its setpoint.
