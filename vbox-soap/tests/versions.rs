//! What is sent to servers of which version, and what is not.

mod fake_server;

use fake_server::{Does, FakeServer, returns};
use vbox_soap::api::{IHostPCIDevicePlugEvent, IMachine, IMedium, ISharedFolder, IUnattended};
use vbox_soap::{Call, Client, Error, ManagedObject, Session};

const ASK: &str = "IVirtualBox_getAPIVersion";

/// A server of a version, with more to say.
async fn server_of(version: &str, script: &[(&'static str, Does)]) -> (FakeServer, Session) {
    let mut script = script.to_vec();
    script.push((ASK, returns(version)));
    let server = FakeServer::start(&script).await;
    let session = server.log_on().await;
    (server, session)
}

/// The error of a call that must not be sent, as text.
#[allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]
async fn refused<T: std::fmt::Debug>(server: &FakeServer, call: Call<T>) -> String {
    let before = server.seen().len();
    let error = call.await.unwrap_err();
    assert!(matches!(error, Error::UnsupportedOperation { .. }), "{error:?}");
    assert_eq!(server.seen().len(), before, "nothing may be sent");
    error.to_string()
}

#[tokio::test]
async fn what_came_later_is_refused_with_both_versions() {
    let (server, session) = server_of("5_1", &[]).await;
    let virtual_box = session.virtual_box();
    assert_eq!(
        refused(&server, virtual_box.get_cloud_provider_manager()).await,
        "IVirtualBox_getCloudProviderManager: the server has API version 5.1, the operation exists in 6.0 to 7.2"
    );
    // The whole interface came later.
    let unattended: IUnattended = virtual_box.cast();
    assert_eq!(
        refused(&server, unattended.prepare()).await,
        "IUnattended_prepare: the server has API version 5.1, the operation exists in 5.2 to 7.2"
    );
}

#[tokio::test]
async fn what_is_gone_is_refused_with_both_versions() {
    let (server, session) = server_of("7_1", &[]).await;
    let machine: IMachine = session.virtual_box().cast();
    assert_eq!(
        refused(&server, machine.get_hpet_enabled()).await,
        "IMachine_getHPETEnabled: the server has API version 7.1, the operation exists in 4.1 to 7.0"
    );
}

#[tokio::test]
async fn gaps_are_known() {
    let set = [("IMedium_setLocation", Does::Answers(String::new()))];
    for (version, inside) in [("4_2", false), ("4_3", true), ("5_2", true), ("6_0", false)] {
        let (server, session) = server_of(version, &set).await;
        let medium: IMedium = session.virtual_box().cast();
        let number = version.replace('_', ".");
        let ranges = if inside {
            refused(&server, medium.set_location("/a")).await
        } else {
            medium.set_location("/a").await.unwrap();
            assert_eq!(server.count("IMedium_setLocation"), 1);
            refused(&server, medium.set_location_v4_3("/a")).await
        };
        let exists = if inside { "4.1 to 4.2, 6.0 to 7.2" } else { "4.3 to 5.2" };
        assert_eq!(
            ranges,
            format!(
                "IMedium_setLocation: the server has API version {number}, the operation exists in {exists}"
            )
        );
    }
}

#[tokio::test]
async fn each_signature_is_for_its_own_versions() {
    let create = [("IVirtualBox_createMachine", returns("m-1"))];
    let (server, session) = server_of("5_0", &create).await;
    let virtual_box = session.virtual_box();
    virtual_box.create_machine_v4_2("", "a", &["/"], "Debian_64", "").await.unwrap();
    for text in [
        refused(&server, virtual_box.create_machine_v4_1("", "a", "", "", false)).await,
        refused(&server, virtual_box.create_machine_v7_0("", "a", &[], "", "", "", "", "")).await,
    ] {
        assert!(text.contains("API version 5.0"), "{text}");
    }

    let (server, session) = server_of("7_2", &create).await;
    let virtual_box = session.virtual_box();
    let x86 = || vbox_soap::api::PlatformArchitecture::X86;
    // The newest has two names.
    virtual_box.create_machine("", "a", x86(), &[], "", "", "", "", "").await.unwrap();
    virtual_box.create_machine_v7_1("", "a", x86(), &[], "", "", "", "", "").await.unwrap();
    assert_eq!(server.count("IVirtualBox_createMachine"), 2);
    let text = refused(&server, virtual_box.create_machine_v4_2("", "a", &[], "", "")).await;
    assert!(
        text.ends_with("server has API version 7.2, the operation exists in 4.2 to 6.1"),
        "{text}"
    );
}

#[tokio::test]
async fn names_are_spelled_as_the_version_spells_them() {
    let old = [
        ("IMachine_getSessionPid", returns("41")),
        ("IHostPciDevicePlugEvent_getPlugged", returns("true")),
    ];
    let new = [
        ("IMachine_getSessionPID", returns("72")),
        ("IHostPCIDevicePlugEvent_getPlugged", returns("false")),
    ];
    for (version, script, pid) in [("4_1", old, 41), ("4_2", new.clone(), 72), ("7_2", new, 72)] {
        let (_, session) = server_of(version, &script).await;
        let machine: IMachine = session.virtual_box().cast();
        assert_eq!(machine.get_session_pid().await.unwrap(), pid);
        let event: IHostPCIDevicePlugEvent = session.virtual_box().cast();
        assert_eq!(event.get_plugged().await.unwrap(), pid == 41);
    }
}

#[tokio::test]
async fn structures_are_read_from_every_version() {
    let script = |pae: &str| {
        let answer = format!("<returnval><id>Debian</id><{pae}>true</{pae}></returnval>");
        [("IVirtualBox_getGuestOSType", Does::Answers(answer))]
    };
    for (version, pae) in [("4_1", "recommendedPae"), ("4_2", "recommendedPAE")] {
        let (_, session) = server_of(version, &script(pae)).await;
        let os = session.virtual_box().get_guest_os_type("Debian").await.unwrap();
        assert!(os.recommended_pae);
        // What came later is its type's default.
        assert!(!os.recommended_usb3);
    }
}

#[tokio::test]
async fn a_structure_that_became_an_interface_is_both() {
    let answer = "<returnval><name>share</name><writable>true</writable></returnval>";
    let old = [("IMachine_getSharedFolders", Does::Answers(answer.to_owned()))];
    let (_, session) = server_of("5_2", &old).await;
    let machine: IMachine = session.virtual_box().cast();
    let folders = machine.get_shared_folders_v4_1().await.unwrap();
    assert_eq!(folders.len(), 1);
    assert_eq!((folders[0].name.as_str(), folders[0].writable), ("share", true));

    let new = [("IMachine_getSharedFolders", returns("folder-1"))];
    let (_, session) = server_of("6_0", &new).await;
    let machine: IMachine = session.virtual_box().cast();
    let folders: Vec<ISharedFolder> = machine.get_shared_folders().await.unwrap();
    assert_eq!(folders[0].object().id(), "folder-1");
}

#[tokio::test]
async fn faults_of_old_servers_tell_as_much() {
    let fault = "<E:Fault><faultcode>E:Client</faultcode><faultstring>VirtualBox error</faultstring><detail>\
                 <v:RuntimeFault xmlns:v=\"v\"><resultCode>-2135228415</resultCode><interfaceID>i</interfaceID>\
                 <component>VirtualBox</component><text>No such machine</text></v:RuntimeFault></detail></E:Fault>";
    let script = [("IVirtualBox_findMachine", Does::Faults(fault.to_owned()))];
    let (_, session) = server_of("4_2", &script).await;
    let error = session.virtual_box().find_machine("a").await.unwrap_err();
    let Error::Fault(fault) = error else { panic!("{error:?}") };
    assert_eq!(fault.message, "No such machine");
    assert_eq!(fault.component, "VirtualBox");
    assert!(fault.code.to_string().contains("VBOX_E_OBJECT_NOT_FOUND"), "{}", fault.code);
}

#[tokio::test]
async fn a_server_without_get_api_version_is_asked_for_its_version() {
    let unknown = "<E:Fault><faultcode>E:Client</faultcode><faultstring>Method not implemented</faultstring></E:Fault>";
    for unknown in [
        Does::Faults(unknown.to_owned()),
        Does::Says(400, "no such method".to_owned()),
        returns(""),
    ] {
        let script =
            |version| [(ASK, unknown.clone()), ("IVirtualBox_getVersion", returns(version))];
        let server = FakeServer::start(&script("4.1.10_OSE")).await;
        assert_eq!(server.log_on().await.api_version().to_string(), "4.1");

        let server = FakeServer::start(&script("4.0.18")).await;
        let error = Client::new(&server.url).unwrap().logon("", "").await.unwrap_err();
        assert!(
            matches!(&error, Error::UnsupportedServer { found, supported, .. }
                if found == "4.0.18" && supported.starts_with("4.1, ") && supported.ends_with(", 7.2")),
            "{error:?}"
        );
        assert_eq!(server.count("IWebsessionManager_logoff"), 1);
    }
}
