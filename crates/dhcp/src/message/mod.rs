//! DHCP's messages: RFC 2131's fixed fields and RFC 2132's options.
