/// What a confined plugin may be granted beside the services: it has no functions, and opens what
/// the kernel would deny.
///
/// A plugin asks for it in its `manifest.json` and the operator grants it, as with a service. It
/// counts where the plugin is confined, which is everywhere but in the host itself: there nothing
/// can be denied.
public enum Permission {
    /// Sockets of the internet, and connections to sockets of the machine.
    public static let network = "host.network/1"
    /// Processes of its own, and programs of the system.
    public static let processes = "host.processes/1"

    /// Every id.
    public static let all: Set<String> = [network, processes]
}
