import CPluginABI

/// How a hook hangs on its point.
struct HookOptions: Sendable, Equatable {
    enum Kind: UInt32, Sendable, CaseIterable {
        case before = 1
        case after = 2
        case around = 3
        case replace = 4

        var enters: Bool { self != .after }
        var leaves: Bool { self == .after || self == .around }
    }

    /// What a failure of the hook means for the work.
    enum Policy: Sendable, Equatable, CustomStringConvertible {
        case fail
        case skip
        /// The work goes on, and after so many failures the hook is out.
        case disable(after: Int)

        /// As the header of hooks has it; nil for what is none of its policies.
        init?(_ onFailure: UInt32, _ failuresMax: UInt32) {
            switch Int(onFailure) {
            case PH_HOOK_FAIL: self = .fail
            case PH_HOOK_SKIP: self = .skip
            case PH_HOOK_DISABLE: self = .disable(after: max(1, Int(failuresMax)))
            default: return nil
            }
        }

        var description: String {
            switch self {
            case .fail: "fail"
            case .skip: "skip"
            case .disable(let count): "disable after \(count)"
            }
        }
    }

    var kind: Kind
    /// Lower ones enter first and leave last.
    var priority: Int32 = 0
    var policy = Policy.fail
    /// Whether its functions may take their time.
    var blocks = false

    /// Whether a hook may hang so on a point.
    func fits(_ point: PointName) -> Bool {
        switch point {
        case .request: true
        case .response: kind == .before
        default: !(point.isOfControl && kind == .replace)
        }
    }
}
