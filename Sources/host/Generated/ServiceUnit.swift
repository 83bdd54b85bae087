/// The files by which systemd starts the host.
///
/// - Source: systemd.service(5), systemd.exec(5), systemd.socket(5).
enum ServiceUnit {
    /// Nothing here keeps plugins from what they may do: they may compile code at run time, and
    /// the host needs namespaces, Landlock and a control group of its own to confine those that it
    /// does not trust.
    static func service(_ binary: String) -> String {
        """
        [Unit]
        Description=Host of plugins
        Documentation=man:host(1)
        After=network.target

        [Service]
        Type=notify
        NotifyAccess=main
        ExecStart=\(binary) serve --root /var/lib/plugin-host
        ExecReload=/bin/kill -HUP $MAINPID
        Restart=on-failure
        WatchdogSec=60
        TimeoutStartSec=300
        TimeoutStopSec=60
        KillMode=mixed
        Delegate=yes
        StateDirectory=plugin-host
        StateDirectoryMode=0700
        LimitNOFILE=1048576
        NoNewPrivileges=yes
        PrivateTmp=yes
        ProtectSystem=full
        ProtectHome=yes
        ProtectKernelTunables=yes
        ProtectKernelModules=yes
        ProtectKernelLogs=yes
        ProtectClock=yes
        ProtectHostname=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        LockPersonality=yes

        [Install]
        WantedBy=multi-user.target

        """
    }

    /// With this unit the service manager listens, and the host is started by its first client.
    static let socket = """
        [Unit]
        Description=Where the host of plugins listens

        [Socket]
        ListenStream=127.0.0.1:8080
        Backlog=4096

        [Install]
        WantedBy=sockets.target

        """
}
