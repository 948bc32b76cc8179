package classify

// Invocation is what a run was asked to do: with the inputs, packs and site of the audit it gives the same audit again. Paths are as the user wrote them.
type Invocation struct {
	Captures       []string `json:"captures"` // files, directories, patterns, "-"
	Rules          []string `json:"rules"`    // packs by name or file
	NoBaseline     bool     `json:"no_baseline"`
	Nets           []string `json:"nets"` // the filter
	Hosts          []string `json:"hosts"`
	Ports          []string `json:"ports"`
	Since          string   `json:"since"`
	Until          string   `json:"until"`
	Key            []string `json:"key"`
	Dedup          bool     `json:"dedup"`
	TunnelPorts    []string `json:"tunnel_ports"`
	MaxConnections int      `json:"max_connections"`
	Hash           string   `json:"hash"`
}

// Part is one of the audits that a combined audit is made of.
type Part struct {
	File        string `json:"file"` // as the user wrote it
	SHA256      string `json:"sha256"`
	Tool        Tool   `json:"tool"`
	Verdict     string `json:"verdict"`
	CoveredFrom string `json:"covered_from"`
	CoveredLast string `json:"covered_last"`
	Inputs      int    `json:"inputs"`
	Filter      string `json:"filter"`
}

// Compared says what an older audit knows of the findings.
type Compared struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Known  int    `json:"known"`
	New    int    `json:"new"`
	Gone   int    `json:"gone"` // findings of the older audit that this one does not have
}

// Annotated says which file the annotations of the findings are from.
type Annotated struct {
	File   string   `json:"file"`
	SHA256 string   `json:"sha256"`
	Used   int      `json:"used"`
	Stale  []string `json:"stale"` // ids of findings that this audit does not have
}

// Annotation is what a reviewer says of a finding. It changes no verdict and no result.
type Annotation struct {
	Disposition string `json:"disposition"` // accepted, to-fix, false
	Name        string `json:"name"`
	Date        string `json:"date"`
	Text        string `json:"text"`
}

// CaptureRecord is the site's word on how a capture was made. The file itself may say something else; nothing of it can be checked.
type CaptureRecord struct {
	For         string    `json:"for"` // which captures: "night-*.pcapng, interface eth0"
	Device      string    `json:"device"`
	Method      string    `json:"method"` // span, tap, host, other
	Filter      string    `json:"filter"`
	ClockSource string    `json:"clock_source"`
	ClockOffset string    `json:"clock_offset"`
	Operator    string    `json:"operator"`
	Custody     []Custody `json:"custody"`
}

// Custody is one event in the life of a capture file.
type Custody struct {
	Who  string `json:"who"`
	When string `json:"when"`
	What string `json:"what"`
}

// EvidenceFile says what the capture file with the packets of findings holds, which was written with the audit.
type EvidenceFile struct {
	File        string `json:"file"` // without its folder
	SHA256      string `json:"sha256"`
	Mode        string `json:"mode"`                   // headers, payload
	Limit       int    `json:"packets_per_connection"` // the first ones; 0: all
	Passes      bool   `json:"passes"`                 // with samples of observed expectations
	Packets     uint64 `json:"packets"`
	Connections int    `json:"connections"`
	Limited     int    `json:"limited"`   // connections of which Limit left packets out
	Shortened   uint64 `json:"shortened"` // packets that are shorter than they were captured
	Lost        uint64 `json:"lost"`      // packets of these connections that could not be written
	LeftOut     int    `json:"left_out"`  // connections beyond what one file takes
}
