package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"pcapaudit/reports"
)

// guard lets pass what may be asked, and by whom, and has every answer say what a browser may do with it.
func (s *Server) guard(next http.Handler) http.Handler {
	policy := reports.StatusPolicy()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		noted := &answer{ResponseWriter: w}
		if code := s.refusal(r); code != 0 {
			refuse(noted, code)
		} else {
			next.ServeHTTP(noted, r)
		}
		s.answers[min(max(noted.code, http.StatusOK)/100, len(s.answers)-1)].Add(1)
	})
}

// refusal is the status that a request gets for what it is, whatever it asks for; 0: none.
func (s *Server) refusal(r *http.Request) int {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed
	case !s.named(r):
		return http.StatusMisdirectedRequest
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return http.StatusRequestEntityTooLarge
	case foreign(r):
		return http.StatusForbidden
	case !s.authorized(r):
		return http.StatusUnauthorized
	}
	return 0
}

func refuse(w http.ResponseWriter, code int) {
	h := w.Header()
	switch code {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	case http.StatusUnauthorized:
		h.Add("WWW-Authenticate", `Bearer realm="pcapaudit"`)
		h.Add("WWW-Authenticate", `Basic realm="pcapaudit: the token as password", charset="UTF-8"`)
	}
	if code != http.StatusUnauthorized {
		h.Set("Connection", "close")
	}
	plain(w, code, http.StatusText(code))
}

// named says whether the request was made to a name of this server. A page of another site that has its own name resolved to this address asks by that name.
func (s *Server) named(r *http.Request) bool {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if s.names[host] {
		return true
	}
	asked, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && asked.Unmap() == local.AddrPort().Addr().Unmap()
}

// foreign is true for what a page of another site asks for in the background. Who follows a link from there may come.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// authorized says whether the token is borne: as a bearer token, or as the password that a browser asks for. Hashes are compared, so that neither the content nor the length
// of the token can be measured.
func (s *Server) authorized(r *http.Request) bool {
	if s.o.Token == nil {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	sum := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 && ok
}

// answer notes the status of what is answered.
type answer struct {
	http.ResponseWriter
	code int
}

func (a *answer) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// plain answers with a line of text.
func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	w.Write([]byte(text + "\n"))
}
