//! Against the lab's VirtualBox.
