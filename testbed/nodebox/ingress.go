package main

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Called as `traefik`, nodebox stands in for Traefik 3.6 and its provider for ingress-nginx's Ingresses: hosts and
// paths, TLS from secrets, default backends, websockets, gRPC, the class's controller, the published address, and
// of ingress-nginx's annotations those in `annotated` below. It takes the options named here and refuses others.
const (
	provider        = "providers.kubernetesingressnginx"
	nginxPrefix     = "nginx.ingress.kubernetes.io/"
	classAnnotation = "kubernetes.io/ingress.class"
)

var ingressOptions = []string{
	"log.level", "accesslog", "ping", "ping.entrypoint", "global.checknewversion", "global.sendanonymoususage",
	"entrypoints.web.address", "entrypoints.websecure.address", "entrypoints.traefik.address",
	provider, provider + ".ingressclass", provider + ".controllerclass", provider + ".ingressclassbyname",
	provider + ".watchingresswithoutclass", provider + ".publishstatusaddress", provider + ".defaultbackendservice",
}

var annotated = []string{"rewrite-target", "use-regex", "ssl-redirect", "force-ssl-redirect", "backend-protocol"}

type ingressController struct {
	options  map[string]string
	client   kubernetes.Interface
	cluster  informers.SharedInformerFactory
	table    atomic.Pointer[routes]
	turn     atomic.Uint64
	fallback *tls.Certificate
	http1    *http.Transport
	h2c      *http2.Transport
}

// routes is everything a request is judged by, built anew on each change.
type routes struct {
	hosts        map[string][]route // in the order they are tried
	certificates map[string]*tls.Certificate
	rest         *backend // the default backend
}

type route struct {
	path    string
	exact   bool
	pattern *regexp.Regexp
	rewrite string
	secure  bool // plain HTTP is sent to HTTPS
	backend *backend
}

type backend struct {
	name      string
	scheme    string
	grpc      bool
	addresses []string
}

func serveIngresses() {
	c := &ingressController{options: map[string]string{
		"entrypoints.web.address": ":80", provider + ".ingressclass": "nginx",
		provider + ".controllerclass": "k8s.io/ingress-nginx",
	}}
	for _, argument := range os.Args[1:] {
		name, value, found := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if name = strings.ToLower(name); !slices.Contains(ingressOptions, name) {
			klog.Fatalf("this stand-in for Traefik knows no option %s", argument)
		}
		if !found {
			value = "true"
		}
		c.options[name] = value
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		klog.Fatal(err)
	}
	c.client = kubernetes.NewForConfigOrDie(config)
	c.fallback = selfSigned()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	insecure := &tls.Config{InsecureSkipVerify: true} // as ingress-nginx: proxy-ssl-verify is off by default
	c.http1 = &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: insecure, MaxIdleConnsPerHost: 64, IdleConnTimeout: 60 * time.Second}
	c.h2c = &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}}
	c.table.Store(&routes{})

	wake := make(chan struct{}, 1)
	poke := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	c.cluster = informers.NewSharedInformerFactory(c.client, 0)
	for _, informer := range []cache.SharedIndexInformer{
		c.cluster.Networking().V1().Ingresses().Informer(), c.cluster.Networking().V1().IngressClasses().Informer(),
		c.cluster.Core().V1().Services().Informer(), c.cluster.Core().V1().Secrets().Informer(),
		c.cluster.Discovery().V1().EndpointSlices().Informer(),
	} {
		informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { poke() }, UpdateFunc: func(any, any) { poke() }, DeleteFunc: func(any) { poke() },
		})
	}
	c.cluster.Start(nil)
	c.cluster.WaitForCacheSync(nil)
	c.rebuild()

	listen := func(entrypoint string, serve func(address string) error) {
		address := c.options["entrypoints."+entrypoint+".address"]
		if address == "" {
			return
		}
		go func() { klog.Fatal(serve(strings.TrimSuffix(address, "/tcp"))) }()
	}
	listen("web", func(address string) error { return http.ListenAndServe(address, c) })
	listen("websecure", func(address string) error {
		server := &http.Server{Addr: address, Handler: c, TLSConfig: &tls.Config{GetCertificate: c.certificate}}
		return server.ListenAndServeTLS("", "")
	})
	listen("traefik", func(address string) error {
		return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ping" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, "OK")
		}))
	})
	for range wake {
		c.rebuild()
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *ingressController) serves(ingress *networking.Ingress, classes []*networking.IngressClass) bool {
	if name := ingress.Spec.IngressClassName; name != nil {
		return slices.ContainsFunc(classes, func(class *networking.IngressClass) bool {
			return class.Name == *name && (class.Spec.Controller == c.options[provider+".controllerclass"] ||
				c.options[provider+".ingressclassbyname"] == "true" && class.Name == c.options[provider+".ingressclass"])
		})
	}
	if class, ok := ingress.Annotations[classAnnotation]; ok {
		return class == c.options[provider+".ingressclass"]
	}
	return c.options[provider+".watchingresswithoutclass"] == "true"
}

func (c *ingressController) rebuild() {
	all, _ := c.cluster.Networking().V1().Ingresses().Lister().List(labels.Everything())
	classes, _ := c.cluster.Networking().V1().IngressClasses().Lister().List(labels.Everything())
	slices.SortFunc(all, func(a, b *networking.Ingress) int { // the older wins a path that two claim
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name))
	})
	table := &routes{hosts: map[string][]route{}, certificates: map[string]*tls.Certificate{}}
	if namespace, name, ok := strings.Cut(c.options[provider+".defaultbackendservice"], "/"); ok {
		if service, err := c.cluster.Core().V1().Services().Lister().Services(namespace).Get(name); err == nil && len(service.Spec.Ports) > 0 {
			table.rest = c.backend(namespace, &networking.IngressServiceBackend{
				Name: name, Port: networking.ServiceBackendPort{Number: service.Spec.Ports[0].Port}}, nil)
		}
	}
	for _, ingress := range all {
		if !c.serves(ingress, classes) {
			continue
		}
		c.add(table, ingress)
		c.publish(ingress)
	}
	for host := range table.hosts {
		slices.SortStableFunc(table.hosts[host], func(a, b route) int {
			if a.exact != b.exact {
				return map[bool]int{true: -1, false: 1}[a.exact]
			}
			return len(b.path) - len(a.path)
		})
	}
	c.table.Store(table)
}

func (c *ingressController) add(table *routes, ingress *networking.Ingress) {
	for name := range ingress.Annotations {
		if short, ours := strings.CutPrefix(name, nginxPrefix); ours && !slices.Contains(annotated, short) {
			klog.Warningf("ingress %s/%s: this stand-in does not act on %s", ingress.Namespace, ingress.Name, name)
		}
	}
	annotation := func(name string) string { return ingress.Annotations[nginxPrefix+name] }
	encrypted := map[string]bool{}
	for _, entry := range ingress.Spec.TLS {
		secret, err := c.cluster.Core().V1().Secrets().Lister().Secrets(ingress.Namespace).Get(entry.SecretName)
		var certificate *tls.Certificate
		if err == nil {
			pair, err := tls.X509KeyPair(secret.Data[v1.TLSCertKey], secret.Data[v1.TLSPrivateKeyKey])
			if err != nil {
				klog.Errorf("secret %s/%s: %v", ingress.Namespace, entry.SecretName, err)
			} else {
				certificate = &pair
			}
		}
		hosts := entry.Hosts
		if certificate != nil && len(hosts) == 0 {
			if leaf, err := x509.ParseCertificate(certificate.Certificate[0]); err == nil {
				hosts = leaf.DNSNames
			}
		}
		for _, host := range hosts {
			encrypted[host] = true
			if certificate != nil && table.certificates[host] == nil {
				table.certificates[host] = certificate
			}
		}
	}
	if ingress.Spec.DefaultBackend != nil && table.rest == nil {
		table.rest = c.backend(ingress.Namespace, ingress.Spec.DefaultBackend.Service, annotation)
	}
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			r := route{
				path:    cmp.Or(path.Path, "/"),
				exact:   path.PathType != nil && *path.PathType == networking.PathTypeExact,
				rewrite: annotation("rewrite-target"),
				secure:  annotation("force-ssl-redirect") == "true" || encrypted[rule.Host] && annotation("ssl-redirect") != "false",
				backend: c.backend(ingress.Namespace, path.Backend.Service, annotation),
			}
			// ingress-nginx reads a path as an expression when it is asked to, or rewrites.
			if annotation("use-regex") == "true" || r.rewrite != "" {
				pattern, err := regexp.Compile("(?i)^" + r.path)
				if err != nil {
					klog.Errorf("ingress %s/%s: path %s: %v", ingress.Namespace, ingress.Name, r.path, err)
					continue
				}
				r.pattern, r.exact = pattern, false
				r.rewrite = regexp.MustCompile(`\$(\d+)`).ReplaceAllString(r.rewrite, "$${$1}")
			}
			table.hosts[rule.Host] = append(table.hosts[rule.Host], r)
		}
	}
}

func (c *ingressController) backend(namespace string, to *networking.IngressServiceBackend, annotation func(string) string) *backend {
	if to == nil {
		return nil
	}
	b := &backend{name: namespace + "/" + to.Name, scheme: "http"}
	if annotation != nil {
		protocol := strings.ToUpper(annotation("backend-protocol"))
		b.grpc = protocol == "GRPC"
		if protocol == "HTTPS" || protocol == "GRPCS" {
			b.scheme = "https"
		}
	}
	service, err := c.cluster.Core().V1().Services().Lister().Services(namespace).Get(to.Name)
	if err != nil {
		return b
	}
	for _, port := range service.Spec.Ports {
		if port.Name != to.Port.Name && to.Port.Name != "" || to.Port.Name == "" && port.Port != to.Port.Number {
			continue
		}
		if service.Spec.Type == v1.ServiceTypeExternalName {
			b.addresses = []string{net.JoinHostPort(service.Spec.ExternalName, fmt.Sprint(port.Port))}
			return b
		}
		slicesOf, _ := c.cluster.Discovery().V1().EndpointSlices().Lister().EndpointSlices(namespace).List(
			labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: to.Name}))
		for _, slice := range slicesOf {
			for _, p := range slice.Ports {
				if p.Port == nil || p.Name != nil && *p.Name != port.Name {
					continue
				}
				for _, endpoint := range slice.Endpoints {
					if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
						for _, address := range endpoint.Addresses {
							b.addresses = append(b.addresses, net.JoinHostPort(address, fmt.Sprint(*p.Port)))
						}
					}
				}
			}
		}
	}
	slices.Sort(b.addresses)
	return b
}

func (c *ingressController) publish(ingress *networking.Ingress) {
	var want []networking.IngressLoadBalancerIngress
	for _, address := range strings.Split(c.options[provider+".publishstatusaddress"], ",") {
		if net.ParseIP(address) != nil {
			want = append(want, networking.IngressLoadBalancerIngress{IP: address})
		} else if address != "" {
			want = append(want, networking.IngressLoadBalancerIngress{Hostname: address})
		}
	}
	if want == nil || reflect.DeepEqual(want, ingress.Status.LoadBalancer.Ingress) {
		return
	}
	ingress = ingress.DeepCopy()
	ingress.Status.LoadBalancer.Ingress = want
	if _, err := c.client.NetworkingV1().Ingresses(ingress.Namespace).UpdateStatus(context.Background(), ingress, metav1.UpdateOptions{}); err != nil {
		klog.Errorf("status of ingress %s/%s: %v", ingress.Namespace, ingress.Name, err)
	}
}

// named looks a host up as it is, then under a wildcard for its first label.
func named[V any](m map[string]V, host string) (V, bool) {
	if v, ok := m[host]; ok {
		return v, true
	}
	if _, rest, found := strings.Cut(host, "."); found {
		v, ok := m["*."+rest]
		return v, ok
	}
	var none V
	return none, false
}

func (c *ingressController) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if certificate, ok := named(c.table.Load().certificates, strings.ToLower(hello.ServerName)); ok {
		return certificate, nil
	}
	return c.fallback, nil
}

func (r route) takes(path string) bool {
	switch {
	case r.pattern != nil:
		return r.pattern.MatchString(path)
	case r.exact:
		return path == r.path
	}
	prefix := strings.TrimSuffix(r.path, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func (c *ingressController) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	host := strings.ToLower(request.Host)
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	table := c.table.Load()
	candidates, _ := named(table.hosts, host)
	found := route{backend: table.rest}
	for _, r := range slices.Concat(candidates, table.hosts[""]) {
		if r.takes(request.URL.Path) {
			found = r
			break
		}
	}
	switch {
	case found.secure && request.TLS == nil:
		http.Redirect(w, request, "https://"+host+request.URL.RequestURI(), http.StatusPermanentRedirect)
	case found.backend == nil:
		http.NotFound(w, request)
	case len(found.backend.addresses) == 0:
		http.Error(w, "no available server", http.StatusServiceUnavailable)
	default:
		c.forward(w, request, found)
	}
}

func (c *ingressController) forward(w http.ResponseWriter, request *http.Request, to route) {
	address := to.backend.addresses[c.turn.Add(1)%uint64(len(to.backend.addresses))]
	proxy := httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     c.http1,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: to.backend.scheme, Host: address})
			p.Out.Host = p.In.Host
			p.SetXForwarded()
			p.Out.Header.Set("X-Real-Ip", strings.Split(p.In.RemoteAddr, ":")[0])
			if to.rewrite != "" {
				p.Out.URL.Path = to.pattern.ReplaceAllString(p.In.URL.Path, to.rewrite)
				p.Out.URL.RawPath = ""
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			klog.Errorf("%s at %s: %v", to.backend.name, address, err)
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
		},
	}
	if to.backend.grpc {
		proxy.Transport = c.h2c
	}
	proxy.ServeHTTP(w, request)
}

// selfSigned answers for names without a certificate, as Traefik's default certificate does.
func selfSigned() *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		klog.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "TRAEFIK DEFAULT CERT"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), DNSNames: []string{"ingress.invalid"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		klog.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
