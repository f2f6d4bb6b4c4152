//! vbox-soap
