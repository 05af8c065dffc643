//! Has the linker put the functions first that most calls use.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=order.ld");
    // Only a release build with musl: another linker may not know how.
    if let (Some(_), Ok(here)) = (
        env::var_os("CARGO_CFG_LINKSPAN_MUSL"),
        env::var("CARGO_MANIFEST_DIR"),
    ) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/order.ld");
        // For scripts/order. A flag of the compiler's would make it another build, with another order.
        println!("cargo::rerun-if-env-changed=LINKSPAN_LINK_MAP");
        if let Ok(map) = env::var("LINKSPAN_LINK_MAP") {
            println!("cargo::rustc-link-arg-bins=-Wl,-Map={map}");
        }
    }
}
