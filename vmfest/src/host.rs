//! What a host lacks that cannot run VMs: VirtualBox says it in numbers and in words of its own.

use crate::error::Error;

/// What VirtualBox says where it has no kernel module, or none that fits.
const NO_DRIVER: [&str; 5] = [
    "VERR_VM_DRIVER_",
    "VERR_SUP_DRIVERLESS",
    "VERR_SUPLIB_",
    "Kernel driver not installed",
    "terminated unexpectedly during startup",
];
/// What it says where the processor has no hardware virtualisation, or must not use it.
const NO_VIRTUALISATION: [&str; 7] = [
    "VERR_VMX_",
    "VERR_SVM_",
    "VERR_NEM_NOT_AVAILABLE",
    "VERR_CPUM_RAISE_GP",
    "VT-x is ",
    "AMD-V is ",
    "hardware virtualization",
];

/// What is missing if VirtualBox cannot start a VM on this host; nothing if it is something else.
pub(crate) fn missing(vm: &str, error: &vbox_soap::Error) -> Option<Error> {
    let text = error.to_string();
    let remedy = remedy(&text)?;
    Some(Error::Host { name: vm.to_owned(), problem: format!("{text}. {remedy}") })
}

fn remedy(text: &str) -> Option<&'static str> {
    let says = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if says(&NO_DRIVER) {
        Some(
            "VirtualBox's kernel module does not work: `sudo modprobe vboxdrv` loads it; after an \
             update of the kernel, `sudo /sbin/vboxconfig` makes it anew; with Secure Boot, it must \
             be signed. It does not work in containers",
        )
    } else if says(&NO_VIRTUALISATION) {
        Some(
            "the processor's hardware virtualisation cannot be used: switch it on in the firmware \
             (VT-x, AMD-V or SVM); end other hypervisors (`sudo modprobe -r kvm_intel kvm_amd`); on \
             a host that is a VM itself, let that VM have nested virtualisation",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_virtualbox_says_is_understood() {
        for (text, part) in [
            (
                "The virtual machine 'a' has terminated unexpectedly during startup with exit code 1",
                "vboxdrv",
            ),
            ("Failed to construct VM (VERR_SUP_DRIVERLESS)", "vboxdrv"),
            (
                "VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED)",
                "firmware",
            ),
            ("VT-x is not available (VERR_VMX_NO_VMX)", "nested"),
            ("AMD-V is being used by another hypervisor (VERR_SVM_IN_USE)", "kvm"),
        ] {
            let remedy = remedy(text).unwrap_or_default();
            assert!(remedy.contains(part), "{text}: {remedy}");
        }
        assert_eq!(remedy("Could not open the medium '/x.vdi'"), None);
    }
}
