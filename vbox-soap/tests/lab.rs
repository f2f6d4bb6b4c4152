//! Against the lab's VirtualBox: `cargo xtask lab up`, then
//! `cargo nextest run -p vbox-soap --features lab-tests`.

mod lab_support;

use std::time::{Duration, Instant};

use lab_support::{Scratch, client, create_machine, destroy, known_to_server, lab, log_on};
use vbox_soap::api::{
    AccessMode, BitmapFormat, DeviceType, IMachineRegisteredEvent, IProgress, LockType,
    MachineState, MediumVariant, SessionState, VBoxEventType,
};
use vbox_soap::{Client, ComCode, Error, ManagedObject, Settings};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn values_of_all_kinds_arrive_as_they_are() {
    let session = log_on().await;
    assert_eq!((session.api_version().major(), session.api_version().minor()), (7, 2));
    let virtual_box = session.virtual_box();
    assert!(virtual_box.get_version().await.unwrap().starts_with("7.2."));
    assert_eq!(virtual_box.get_api_version().await.unwrap(), "7_2");
    let types = virtual_box.get_guest_os_types().await.unwrap();
    let debian = types.iter().find(|known| known.id == "Debian12_64").unwrap();
    assert!(debian.is64_bit && debian.recommended_ram >= 512, "{debian:?}");
    let formats =
        virtual_box.get_system_properties().await.unwrap().get_medium_formats().await.unwrap();
    for format in &formats {
        if format.get_id().await.unwrap() == "VDI" {
            let known = format.describe_file_extensions().await.unwrap();
            assert_eq!(
                (known.extensions, known.types),
                (vec!["vdi".to_owned()], vec![DeviceType::HardDisk])
            );
            let properties = format.describe_properties().await.unwrap();
            assert_eq!(properties.names.len(), properties.defaults.len());
            return;
        }
    }
    panic!("no VDI among {formats:?}");
}

#[tokio::test]
async fn text_arrives_exactly_as_it_was_sent() {
    let session = log_on().await;
    let machine = create_machine(&session, "text").await;
    let lock = session.session_object().await.unwrap();
    machine.lock_machine(&lock, LockType::Write).await.unwrap();
    let writable = lock.get_machine().await.unwrap().unwrap();
    for text in
        ["  leading and trailing  ", "two\nlines\r\nand\ttab", "<&>\"']]>", "größer – 日本 🖥", ""]
    {
        writable.set_description(text).await.unwrap();
        assert_eq!(writable.get_description().await.unwrap(), text);
    }
    let refused = writable.set_description("bell\u{7}").await.unwrap_err();
    assert!(
        matches!(refused, Error::InvalidArgument { parameter: "description", .. }),
        "{refused}"
    );
    lock.unlock_machine().await.unwrap();
    drop(writable);
    destroy(machine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_handles_dropped_leaves_the_other_good_under_concurrency() {
    let session = log_on().await;
    let machine = create_machine(&session, "twice").await;
    let name = machine.get_name().await.unwrap();
    let held = session.virtual_box().find_machine(&name).await.unwrap();
    assert_eq!(held, machine, "the server has one reference for one object");
    drop(machine);
    assert_eq!(held.get_name().await.unwrap(), name);

    // Fetched, used and dropped by many at the same time, so that the last handle goes again and again
    // just when others fetch the same object.
    drop(held);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (session, name) = (session.clone(), name.clone());
        tasks.spawn(async move {
            for round in 0..60 {
                let machine = session.virtual_box().find_machine(&name).await.unwrap();
                assert_eq!(machine.get_name().await.unwrap(), name);
                drop(machine);
                if round % 5 == 0 {
                    tokio::time::sleep(Duration::from_millis(7)).await;
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    session.settle().await;
    assert_eq!(session.references(), 1, "only VirtualBox itself is still held");
    destroy(session.virtual_box().find_machine(&name).await.unwrap()).await;
}

#[tokio::test]
async fn references_stay_constant_over_a_hundred_machines() {
    let session = log_on().await;
    let mut counts = vec![];
    for round in 0..100 {
        let machine = create_machine(&session, &format!("cycle{round}")).await;
        let lock = session.session_object().await.unwrap();
        machine.lock_machine(&lock, LockType::Write).await.unwrap();
        let writable = lock.get_machine().await.unwrap().unwrap();
        writable.set_memory_size(64 + round).await.unwrap();
        let adapter = writable.get_network_adapter(0).await.unwrap();
        adapter.set_cable_connected(false).await.unwrap();
        writable.save_settings().await.unwrap();
        lock.unlock_machine().await.unwrap();
        assert!(session.virtual_box().find_machine("no such machine").await.is_err());
        drop((lock, writable, adapter));
        destroy(machine).await;
        if round % 33 == 0 {
            session.settle().await;
            let on_server = known_to_server(&session).await;
            assert_eq!(
                on_server.len(),
                session.references(),
                "bookkeeping and server agree: {on_server:?}"
            );
            counts.push(on_server.len());
        }
    }
    assert_eq!(counts, [1, 1, 1, 1], "VirtualBox itself, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_leave_connections_usable_and_no_references() {
    let session = log_on().await;
    let machine = create_machine(&session, "given-up").await;
    for micros in 0..300u64 {
        // From before the request is sent until after the answer came.
        let calls = async {
            let _ = machine.get_network_adapter(0).await;
            let _ = session.virtual_box().get_system_properties().await;
        };
        let _ = tokio::time::timeout(Duration::from_micros(micros * 7), calls).await;
    }
    let name = machine.get_name().await.unwrap();
    session.virtual_box().find_machine(&name).await.unwrap();
    session.settle().await;
    // What was given up last may just be coming in.
    tokio::time::sleep(Duration::from_millis(300)).await;
    session.settle().await;
    assert_eq!(known_to_server(&session).await.len(), 2, "VirtualBox and the machine");
    destroy(machine).await;
}

#[tokio::test]
async fn connections_are_replaced_before_the_server_closes_them() {
    let mut settings = Settings::default();
    settings.connections = 1;
    let client = Client::with_settings(&lab().url, settings).unwrap();
    let session = client.logon("", "").await.unwrap();
    for _ in 0..350 {
        session.virtual_box().get_revision().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_connections_wait_their_turn() {
    let session = log_on().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let virtual_box = session.virtual_box().clone();
        tasks.spawn(async move { virtual_box.get_machines().await.map(|_| ()) });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_fault_says_what_virtualbox_says() {
    let session = log_on().await;
    let error = session.virtual_box().find_machine("no such machine").await.unwrap_err();
    assert_eq!(error.com_code(), Some(ComCode::OBJECT_NOT_FOUND));
    let Error::Fault(fault) = error else { panic!("{error:?}") };
    assert_eq!(fault.operation, "IVirtualBox_findMachine");
    assert!(fault.message.contains("'no such machine'"), "{}", fault.message);
    assert!(fault.component.starts_with("VirtualBox"), "{}", fault.component);
    session.settle().await;
    assert_eq!(known_to_server(&session).await.len(), 1, "the error information is released");
}

#[tokio::test]
async fn null_references_are_none_where_they_may_be_and_an_error_elsewhere() {
    let session = log_on().await;
    let machine = create_machine(&session, "null").await;
    assert_eq!(machine.get_current_snapshot().await.unwrap(), None);
    let events = session.virtual_box().get_event_source().await.unwrap();
    let listener = events.create_listener().await.unwrap();
    events.register_listener(&listener, &[], false).await.unwrap();
    assert_eq!(events.get_event(&listener, 0).await.unwrap(), None);
    events.unregister_listener(&listener).await.unwrap();
    destroy(machine).await;
}

#[tokio::test]
async fn an_event_can_be_used_through_its_own_interface() {
    let session = log_on().await;
    let events = session.virtual_box().get_event_source().await.unwrap();
    let listener = events.create_listener().await.unwrap();
    let kinds = [VBoxEventType::OnMachineRegistered];
    events.register_listener(&listener, &kinds, false).await.unwrap();
    let machine = create_machine(&session, "event").await;
    let id = machine.get_id().await.unwrap();
    // Others may register machines too.
    loop {
        let event = events.get_event(&listener, 5000).await.unwrap().unwrap();
        assert_eq!(event.get_type().await.unwrap(), VBoxEventType::OnMachineRegistered);
        let registered: IMachineRegisteredEvent = event.cast();
        let of = registered.get_machine_id().await.unwrap();
        assert!(registered.get_registered().await.is_ok());
        // The interface that it extends.
        assert!(!registered.get_waitable().await.unwrap());
        events.event_processed(&listener, &event).await.unwrap();
        if of == id {
            break;
        }
    }
    let wrong = machine.cast::<vbox_soap::api::IMedium>().get_location().await.unwrap_err();
    assert!(matches!(wrong, Error::InvalidObject { .. }), "{wrong}");
    destroy(machine).await;
}

#[tokio::test]
async fn a_dropped_session_object_gives_its_lock_back() {
    let session = log_on().await;
    let machine = create_machine(&session, "lock").await;
    let lock = session.session_object().await.unwrap();
    machine.lock_machine(&lock, LockType::Write).await.unwrap();
    assert_eq!(machine.get_session_state().await.unwrap(), SessionState::Locked);
    drop(lock);
    session.settle().await;
    assert_eq!(machine.get_session_state().await.unwrap(), SessionState::Unlocked);
    destroy(machine).await;
}

#[tokio::test]
async fn one_session_locks_several_machines_at_the_same_time() {
    let session = log_on().await;
    let first = create_machine(&session, "lock-one").await;
    let second = create_machine(&session, "lock-two").await;
    let locks = [session.session_object().await.unwrap(), session.session_object().await.unwrap()];
    first.lock_machine(&locks[0], LockType::Write).await.unwrap();
    second.lock_machine(&locks[1], LockType::Write).await.unwrap();
    let error = first.lock_machine(&locks[1], LockType::Write).await.unwrap_err();
    assert!(matches!(error, Error::Fault(_)), "{error}");
    for lock in &locks {
        lock.unlock_machine().await.unwrap();
    }
    destroy(first).await;
    destroy(second).await;
}

#[tokio::test]
async fn a_progress_is_waited_for_and_gives_the_reason_of_a_failure() {
    let session = log_on().await;
    let scratch = Scratch::new("progress");
    let create = async |path: &str| -> Result<IProgress, Error> {
        let medium = session
            .virtual_box()
            .create_medium("VDI", path, AccessMode::ReadWrite, DeviceType::HardDisk)
            .await?;
        medium.create_base_storage(1 << 20, &[MediumVariant::Standard]).await
    };
    let path = scratch.path("disk.vdi");
    create(&path).await.unwrap().wait(SOON).await.unwrap();
    assert!(std::path::Path::new(&path).exists());

    let error =
        create("/proc/no-disk-can-be-here.vdi").await.unwrap().wait(SOON).await.unwrap_err();
    let Error::Fault(fault) = error else { panic!("{error:?}") };
    assert!(!fault.code.is_success());
    assert!(fault.message.contains("/proc/no-disk-can-be-here.vdi"), "{fault}");

    let medium = session
        .virtual_box()
        .open_medium(&path, DeviceType::HardDisk, AccessMode::ReadWrite, false)
        .await
        .unwrap();
    medium.delete_storage().await.unwrap().wait(SOON).await.unwrap();
}

#[tokio::test]
async fn a_logon_that_is_refused_says_what_to_check() {
    let error = Client::new(&lab().auth_url).unwrap().logon("nobody", "secret").await.unwrap_err();
    assert!(matches!(error, Error::LogonRefused { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("nobody") && text.contains("websrvauthlibrary"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_run_is_reported_with_the_command_that_starts_it() {
    // A port that nobody listens on: it was free just now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::new(&format!("http://localhost:{port}/")).unwrap();
    let error = client.logon("", "").await.unwrap_err();
    assert!(matches!(error, Error::NotRunning { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&format!("vboxwebsrv --host localhost --port {port}")),
        "{error}"
    );
}

#[tokio::test]
async fn localhost_reaches_a_server_that_listens_on_ipv4_only() {
    let url = lab().url.replace("127.0.0.1", "localhost");
    Client::new(&url).unwrap().logon("", "").await.unwrap().logoff().await.unwrap();
}

#[tokio::test]
async fn logging_off_ends_everything() {
    let session = log_on().await;
    let properties = session.virtual_box().get_system_properties().await.unwrap();
    let observer = log_on().await;
    session.logoff().await.unwrap();
    session.logoff().await.unwrap();
    let error = properties.get_default_machine_folder().await.unwrap_err();
    assert!(matches!(error, Error::LoggedOff { .. }), "{error:?}");
    assert!(!lab_support::server_knows(properties.object().id()).await);
    observer.virtual_box().get_version().await.unwrap();
}

#[tokio::test]
async fn a_session_that_nobody_holds_any_more_is_logged_off() {
    let session = log_on().await;
    let root = session.virtual_box().object().id().to_owned();
    let machines = session.virtual_box().get_machines().await.unwrap();
    drop((session, machines));
    for _ in 0..100 {
        if !lab_support::server_knows(&root).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{root} is still known");
}

#[tokio::test]
async fn a_session_that_ended_on_the_server_is_reported_as_such() {
    let session = log_on().await;
    let root = session.virtual_box().object().id().to_owned();
    lab_support::log_off_behind_its_back(&root).await;
    let error = session.virtual_box().get_version().await.unwrap_err();
    assert!(matches!(error, Error::SessionLost { .. }), "{error:?}");
    session.logoff().await.unwrap();
    client().logon("", "").await.unwrap().virtual_box().get_version().await.unwrap();
}

#[tokio::test]
async fn handles_of_another_session_are_refused_before_anything_is_sent() {
    let (one, other) = (log_on().await, log_on().await);
    let machine = create_machine(&one, "foreign").await;
    let lock = other.session_object().await.unwrap();
    let error = machine.lock_machine(&lock, LockType::Write).await.unwrap_err();
    assert!(matches!(error, Error::ForeignObject { .. }), "{error:?}");
    assert_eq!(machine.get_session_state().await.unwrap(), SessionState::Unlocked);
    destroy(machine).await;
}

#[tokio::test]
async fn everything_that_a_new_machine_says_of_itself_can_be_read() {
    let session = log_on().await;
    let machine = create_machine(&session, "read").await;
    macro_rules! read {
        ($object:expr; $($method:ident)*) => {
            $($object.$method().await.unwrap_or_else(|error| panic!("{}: {error}", stringify!($method)));)*
        };
    }
    assert_eq!(machine.get_state().await.unwrap(), MachineState::PoweredOff);
    assert!(machine.get_accessible().await.unwrap());
    read!(machine; get_parent get_icon get_name get_description get_id get_groups get_os_type_id
        get_hardware_version get_hardware_uuid get_cpu_count get_cpu_hot_plug_enabled
        get_cpu_execution_cap get_memory_size get_memory_balloon_size get_page_fusion_enabled
        get_graphics_adapter get_platform get_firmware_settings get_trusted_platform_module
        get_non_volatile_store get_recording_settings get_pointing_hid_type get_keyboard_hid_type
        get_snapshot_folder get_vrde_server get_emulated_usb_card_reader_enabled
        get_medium_attachments get_usb_controllers get_usb_device_filters get_audio_settings
        get_storage_controllers get_settings_file_path get_session_state
        get_session_name get_session_pid get_state get_last_state_change get_state_file_path
        get_log_folder get_current_snapshot get_snapshot_count get_current_state_modified
        get_shared_folders get_clipboard_mode get_clipboard_file_transfers_enabled get_dnd_mode
        get_teleporter_enabled get_teleporter_port get_paravirt_provider get_paravirt_debug
        get_bandwidth_control get_tracing_enabled get_autostart_enabled get_autostart_delay
        get_autostop_type get_default_frontend get_usb_proxy_available get_vm_process_priority);
    let host = session.virtual_box().get_host().await.unwrap();
    read!(host; get_dvd_drives get_network_interfaces get_name_servers get_domain_name
        get_search_strings get_processor_count get_processor_online_count get_processor_core_count
        get_memory_size get_memory_available get_operating_system get_os_version get_utc_time
        get_architecture);
    destroy(machine).await;
}

#[tokio::test]
async fn a_client_can_be_shared_and_each_logon_is_a_session_of_its_own() {
    let client = client();
    let (one, other) = (client.logon("", "").await.unwrap(), client.logon("", "").await.unwrap());
    one.logoff().await.unwrap();
    other.virtual_box().get_version().await.unwrap();
}

#[tokio::test]
async fn a_running_machine_outlives_the_session_object_that_started_it() {
    let session = log_on().await;
    let machine = create_machine(&session, "run").await;
    let lock = session.session_object().await.unwrap();
    let error = machine.launch_vm_process(&lock, "no-such-frontend", &[]).await.unwrap_err();
    assert!(error.to_string().contains("no-such-frontend"), "{error}");
    let progress = machine.launch_vm_process(&lock, "headless", &[]).await.unwrap();
    // Even while it is being started.
    drop(lock);
    progress.wait(SOON).await.unwrap();
    assert_eq!(machine.get_state().await.unwrap(), MachineState::Running);

    let lock = session.session_object().await.unwrap();
    machine.lock_machine(&lock, LockType::Shared).await.unwrap();
    let console = lock.get_console().await.unwrap().unwrap();
    let display = console.get_display().await.unwrap();
    // There is nothing to be seen until the firmware has chosen a picture's size.
    let begun = Instant::now();
    let picture = loop {
        match display.take_screen_shot_to_array(0, 64, 48, BitmapFormat::PNG).await {
            Err(error)
                if error.com_code() == Some(ComCode::NOT_SUPPORTED) && begun.elapsed() < SOON =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            taken => break taken.unwrap(),
        }
    };
    assert!(picture.starts_with(b"\x89PNG"), "{} bytes", picture.len());
    console.power_down().await.unwrap().wait(SOON).await.unwrap();
    drop((display, console, lock, progress));
    for _ in 0..200 {
        if machine.get_session_state().await.unwrap() == SessionState::Unlocked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    destroy(machine).await;
    session.settle().await;
    assert_eq!(known_to_server(&session).await.len(), 1);
}
