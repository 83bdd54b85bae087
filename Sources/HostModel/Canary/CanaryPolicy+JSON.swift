extension CanaryPolicy: JSONRepresentable {
    /// - Shape: `{"percent","seconds","errors_percent_max","margin_percent","requests_min"}`.
    public var json: JSONValue {
        [
            "percent": .number(JSONNumber(percent)), "seconds": .number(JSONNumber(seconds)),
            "errors_percent_max": .number(JSONNumber(errorsPercentMax)),
            "margin_percent": .number(JSONNumber(marginPercent)),
            "requests_min": .number(JSONNumber(requestsMin)),
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "canary")
        self.init(
            percent: try fields.integer("percent"), seconds: try fields.integer("seconds"),
            errorsPercentMax: try fields.integer("errors_percent_max"),
            marginPercent: try fields.integer("margin_percent"),
            requestsMin: try fields.integer("requests_min"))
    }
}
