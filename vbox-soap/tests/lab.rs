//! Against the lab's VirtualBox: `cargo xtask lab up`, then
//! `cargo nextest run -p vbox-soap --features lab-tests`.

use vbox_soap::Client;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let lab = xtask::lab::State::load().unwrap();
    let vbox = lab.vbox().unwrap();
    let session = Client::new(&vbox.url).unwrap().logon("", "").await.unwrap();
    println!("{session:?}");
    let vb = session.virtual_box();
    println!("{}", vb.get_version().await.unwrap());
    let sp = vb.get_system_properties().await.unwrap();
    println!("{:?}", sp.get_default_machine_folder().await);
    println!("{:?}", vb.get_machines().await);
    let types = vb.get_guest_os_types().await.unwrap();
    println!("{} {:?}", types.len(), types.last());
    println!("{:?}", vb.find_machine("no such").await.map_err(|e| e.to_string()));
    let formats = sp.get_medium_formats().await.unwrap();
    for f in &formats {
        println!("{:?}", f.describe_file_extensions().await.unwrap());
    }
    println!("refs {}", session.references());
    drop(formats);
    drop(sp);
    session.settle().await;
    println!("refs {}", session.references());
    let s = session.session_object().await.unwrap();
    println!(
        "{:?} {:?} {:?}",
        s,
        s.get_state().await,
        s.get_machine().await.map_err(|e| e.to_string())
    );
    println!("{:?}", s.get_console().await.map_err(|e| e.to_string()));
    println!(
        "{:?}",
        vb.open_medium(
            "/nope/x.vdi",
            vbox_soap::api::DeviceType::HardDisk,
            vbox_soap::api::AccessMode::ReadOnly,
            false
        )
        .await
        .map_err(|e| e.to_string())
    );
    println!(
        "{:?}",
        vb.create_machine(
            "",
            "",
            vbox_soap::api::PlatformArchitecture::X86,
            &[],
            "nonsense",
            "",
            "",
            "",
            ""
        )
        .await
        .map_err(|e| e.to_string())
    );
    println!(
        "{:?}",
        Client::new(&vbox.auth_url).unwrap().logon("me", "x").await.map_err(|e| (e.to_string()))
    );
    println!(
        "{:?}",
        Client::new("http://localhost:1")
            .unwrap()
            .logon("me", "x")
            .await
            .map_err(|e| e.to_string())
    );
    session.logoff().await.unwrap();
    println!("{:?}", vb.get_version().await.map_err(|e| e.to_string()));
}
