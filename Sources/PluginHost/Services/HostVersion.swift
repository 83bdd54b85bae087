import CPluginABI

/// Which host this is.
public enum HostVersion {
    /// Semver 2.0.0.
    public static let text = "0.1.0"
    /// The contract it speaks, as `(major << 16) | minor`.
    static let abi: UInt32 = (1 << 16) | 1
}
