//! Serial ports.

use serde::Deserialize;

/// A serial port of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SerialPort {
    /// What is at the host's end.
    pub host_mode: SerialMode,
    /// The file, pipe or device; of `:tcp` the port to listen on (`"2023"`) or the address to
    /// connect to (`"host:2023"`). Relative paths of files and pipes start at the instance's
    /// folder, so that every instance has its own.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether VirtualBox makes the pipe, or listens, when the VM starts. Default: true.
    #[serde(default = "yes", alias = "server?")]
    pub server: bool,
    /// The emulated chip. Default: VirtualBox's choice.
    #[serde(default)]
    pub uart_type: Option<UartType>,
    /// I/O address. Default: the usual one of the port.
    #[serde(default)]
    pub io_address: Option<u32>,
    /// Interrupt. Default: the usual one of the port.
    #[serde(default)]
    pub irq: Option<u32>,
}

fn yes() -> bool {
    true
}

/// What is at the host's end of a serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SerialMode {
    /// Nothing; the guest sees the port.
    Disconnected,
    /// A named pipe, on Unix a socket.
    HostPipe,
    /// A serial device of the host.
    HostDevice,
    /// A file that takes what the guest sends.
    RawFile,
    /// A TCP connection.
    Tcp,
}

/// Emulated serial chips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum UartType {
    /// 16450
    #[serde(rename = "16450", alias = "u16450")]
    U16450,
    /// 16550A
    #[serde(rename = "16550a", alias = "16550A", alias = "u16550a")]
    U16550a,
    /// 16750
    #[serde(rename = "16750", alias = "u16750")]
    U16750,
}
