package classify

// verdict of a connection: exactly one.
type verdict uint8

const (
	documented verdict = iota
	deviation
	unexpected
	indeterminate
	excepted
	outOfScope
	numVerdicts
)

// verdictNames are the words of Judgement.Verdict, in the order of Audit.Totals.
var verdictNames = [numVerdicts]string{"documented", "deviation", "unexpected", "indeterminate", "excepted", "out-of-scope"}

func (v verdict) String() string { return verdictNames[v] }

// why is a set of reasons for a verdict.
type why uint32

// The first six are what a documented flow may have broken, in the order in which reports list them.
const (
	whyOriginator why = 1 << iota
	whySourcePort
	whyEncryption
	whyCondition
	whyHours
	whyUnannounced

	whyDocumentSilent
	whyUnknownHost
	whyUndocumentedService
	whyWrongRoles

	// out of scope
	whyOutside
	whyLinkControl
	whyBackground
	whyOutsidePeriod
	whyPlatformService
	whyICMPError
	whyCarrier       // a tunnel of which the site says that it carries what is judged by itself
	whyTranslatedLeg // a connection behind an address translation, of which the other side is judged

	numWhys = iota
)

var whyNames = [numWhys]string{"originator", "source-port", "encryption", "condition", "hours", "unannounced",
	"document-silent", "unknown-host", "undocumented-service", "wrong-roles",
	"outside-site", "link-control", "background", "outside-period", "platform-service", "icmp-error", "carrier", "translated-leg"}

func (w why) names() []string { return bitNames(uint32(w), whyNames[:]) }

// open is a set of what could not be checked on a documented connection.
type open uint8

const (
	openOriginator open = 1 << iota
	openSourcePort
	openEncryption
	openAnnouncement
	openName // only the originator's own word identifies the responder

	numOpens = iota
)

var openNames = [numOpens]string{"originator", "source-port", "encryption", "announcement", "name"}

func (o open) names() []string { return bitNames(uint32(o), openNames[:]) }

func bitNames(bits uint32, names []string) []string {
	list := []string{}
	for i, name := range names {
		if bits&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// status of an expectation.
type status uint8

const (
	observed status = iota
	missing
	attempted
	notObserved
	notTriggered
	notTestable
	numStatuses
)

// statusNames are the words of HostStatus.Status, in the order of Expectation.Statuses.
var statusNames = [numStatuses]string{"observed", "missing", "attempted", "not-observed", "not-triggered", "not-testable"}

func (s status) String() string { return statusNames[s] }

// cause is why an expectation is not testable.
type cause uint8

const (
	causeSite    cause = iota // packs and site do not let it be tested, whatever is captured
	causeSilent               // the host was never seen
	causeVantage              // the capture point does not see the pair
	causeBlind                // period, loss, a filter or a tunnel hide what the capture point should see
)

// causeNames are the words of HostStatus.Cause.
var causeNames = [...]string{"site", "silent", "vantage", "blind"}

// Kinds of findings.
const (
	kindConnection  = "connection"
	kindExpectation = "expectation"
	kindCoupled     = "coupled-ports"
	kindSilentHost  = "silent-host"
	kindQuestion    = "question"
	kindMutualTLS   = "mutual-tls"
	kindNameClaim   = "name-claim"
	kindNameDrift   = "name-drift"
)
