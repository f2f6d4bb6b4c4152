//! The `pallet` binary, run as a process in folders of its own.

#[cfg(test)]
mod complete;
#[cfg(test)]
mod config;
#[cfg(test)]
mod converge;
#[cfg(test)]
mod destroy;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod help;
#[cfg(test)]
mod input;
#[cfg(test)]
mod interrupt;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod live;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod schema_check;
#[cfg(test)]
mod schemas;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod screen;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
