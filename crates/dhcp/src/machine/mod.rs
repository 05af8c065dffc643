//! The client's side of DHCP (RFC 2131, 4.4) without I/O and without a clock: events and times in, messages and timers out.
