package reports

// The part of OSCAL assessment-results (NIST, 1.1.3; also valid against 1.2.2) that the report uses. The schema allows no empty list: optional ones are left out when empty,
// required ones are always filled.

type oscalDocument struct {
	Results oscalAssessment `json:"assessment-results"`
}

type oscalAssessment struct {
	UUID       string           `json:"uuid"`
	Metadata   oscalMetadata    `json:"metadata"`
	Plan       oscalReference   `json:"import-ap"`
	Results    []oscalResult    `json:"results"`
	BackMatter *oscalBackMatter `json:"back-matter,omitempty"`
}

type oscalMetadata struct {
	Title    string      `json:"title"`
	Modified string      `json:"last-modified"`
	Version  string      `json:"version"`
	OSCAL    string      `json:"oscal-version"`
	Props    []oscalProp `json:"props,omitempty"`
	Remarks  string      `json:"remarks,omitempty"`
}

type oscalReference struct {
	Href    string `json:"href"`
	Remarks string `json:"remarks,omitempty"`
}

type oscalProp struct {
	Name  string `json:"name"`
	NS    string `json:"ns"`
	Value string `json:"value"`
}

type oscalResult struct {
	UUID         string             `json:"uuid"`
	Title        string             `json:"title"`
	Description  string             `json:"description"`
	Start        string             `json:"start"`
	End          string             `json:"end,omitempty"`
	Props        []oscalProp        `json:"props,omitempty"`
	Definitions  oscalDefinitions   `json:"local-definitions"`
	Reviewed     oscalReviewed      `json:"reviewed-controls"`
	Observations []oscalObservation `json:"observations,omitempty"`
	Risks        []oscalRisk        `json:"risks,omitempty"`
	Findings     []oscalFinding     `json:"findings,omitempty"`
	Remarks      string             `json:"remarks,omitempty"`
}

type oscalDefinitions struct {
	Components []oscalComponent `json:"components"`
}

type oscalComponent struct {
	UUID        string      `json:"uuid"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Props       []oscalProp `json:"props,omitempty"`
	Status      oscalState  `json:"status"`
}

type oscalState struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

type oscalReviewed struct {
	Description string           `json:"description"`
	Selections  []oscalSelection `json:"control-selections"`
}

type oscalSelection struct {
	Description string         `json:"description"`
	Include     []oscalControl `json:"include-controls"`
	Remarks     string         `json:"remarks,omitempty"`
}

type oscalControl struct {
	ID string `json:"control-id"`
}

type oscalObservation struct {
	UUID        string          `json:"uuid"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Props       []oscalProp     `json:"props,omitempty"`
	Methods     []string        `json:"methods"`
	Types       []string        `json:"types"`
	Origins     []oscalOrigin   `json:"origins"`
	Evidence    []oscalEvidence `json:"relevant-evidence,omitempty"`
	Collected   string          `json:"collected"`
	Remarks     string          `json:"remarks,omitempty"`
}

type oscalOrigin struct {
	Actors []oscalActor `json:"actors"`
}

type oscalActor struct {
	Type string `json:"type"`
	UUID string `json:"actor-uuid"`
}

type oscalEvidence struct {
	Href        string      `json:"href,omitempty"`
	Description string      `json:"description"`
	Props       []oscalProp `json:"props,omitempty"`
}

type oscalRisk struct {
	UUID         string              `json:"uuid"`
	Title        string              `json:"title"`
	Description  string              `json:"description"`
	Statement    string              `json:"statement"`
	Status       string              `json:"status"`
	Observations []oscalObservedLink `json:"related-observations"`
}

type oscalFinding struct {
	UUID         string              `json:"uuid"`
	Title        string              `json:"title"`
	Description  string              `json:"description"`
	Props        []oscalProp         `json:"props,omitempty"`
	Origins      []oscalOrigin       `json:"origins"`
	Target       oscalTarget         `json:"target"`
	Observations []oscalObservedLink `json:"related-observations"`
	Risks        []oscalRiskLink     `json:"related-risks,omitempty"`
	Remarks      string              `json:"remarks,omitempty"`
}

type oscalTarget struct {
	Type        string     `json:"type"`
	ID          string     `json:"target-id"`
	Description string     `json:"description"`
	Status      oscalState `json:"status"`
}

type oscalObservedLink struct {
	UUID string `json:"observation-uuid"`
}

type oscalRiskLink struct {
	UUID string `json:"risk-uuid"`
}

type oscalBackMatter struct {
	Resources []oscalResource `json:"resources"`
}

type oscalResource struct {
	UUID        string      `json:"uuid"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Props       []oscalProp `json:"props,omitempty"`
	Links       []oscalLink `json:"rlinks,omitempty"`
}

type oscalLink struct {
	Href   string      `json:"href"`
	Hashes []oscalHash `json:"hashes,omitempty"`
}

type oscalHash struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}
