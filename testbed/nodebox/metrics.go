package main

import (
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	v1 "k8s.io/api/core/v1"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/api/generated/openapi"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/server"
)

// metricsServer is metrics-server's own command line around its own packages: its `app` package is written for
// an older API server library than the Kubernetes that this binary holds.
func metricsServer() *cobra.Command {
	var (
		serving        = genericoptions.NewSecureServingOptions().WithLoopback()
		authentication = genericoptions.NewDelegatingAuthenticationOptions()
		authorization  = genericoptions.NewDelegatingAuthorizationOptions()
		kubeconfig     string
		resolution     time.Duration
		timeout        time.Duration
		insecure       bool
		statusPort     bool
		port           int
		authority      string
		addresses      []string
		nodes          string
	)
	command := &cobra.Command{Use: "metrics-server", Short: "Launch metrics-server", SilenceUsage: true}
	flags := command.Flags()
	serving.AddFlags(flags)
	authentication.AddFlags(flags)
	authorization.AddFlags(flags)
	flags.StringVar(&kubeconfig, "kubeconfig", "", "the kubeconfig to use (default: in-cluster)")
	flags.DurationVar(&resolution, "metric-resolution", time.Minute, "how often to read the kubelets, at least 10s")
	flags.DurationVar(&timeout, "kubelet-request-timeout", 10*time.Second, "how long to wait for a kubelet")
	flags.BoolVar(&insecure, "kubelet-insecure-tls", false, "do not verify the kubelets' certificates")
	flags.BoolVar(&statusPort, "kubelet-use-node-status-port", false, "use the port in the node's status")
	flags.IntVar(&port, "kubelet-port", 10250, "the kubelets' port")
	flags.StringVar(&authority, "kubelet-certificate-authority", "", "the CA of the kubelets' certificates")
	flags.StringSliceVar(&addresses, "kubelet-preferred-address-types",
		[]string{"Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"}, "which of a node's addresses to use, in this order")
	flags.StringVarP(&nodes, "node-selector", "l", "", "which nodes to read")

	command.RunE = func(*cobra.Command, []string) error {
		if resolution < 10*time.Second || resolution*9/10 < timeout {
			return fmt.Errorf("metric-resolution must be at least 10s, and larger than kubelet-request-timeout; it is %v", resolution)
		}
		config, err := clusterConfig(kubeconfig)
		if err != nil {
			return err
		}
		kubelets := &client.KubeletClientConfig{
			Scheme: "https", DefaultPort: port, UseNodeStatusPort: statusPort, Client: *rest.CopyConfig(config),
		}
		for _, address := range addresses {
			kubelets.AddressTypePriority = append(kubelets.AddressTypePriority, v1.NodeAddressType(address))
		}
		if insecure {
			kubelets.Client.TLSClientConfig = rest.TLSClientConfig{Insecure: true}
		} else if authority != "" {
			kubelets.Client.TLSClientConfig.CAFile, kubelets.Client.TLSClientConfig.CAData = authority, nil
		}

		if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
			return err
		}
		c := genericapiserver.NewConfig(api.Codecs)
		if err := serving.ApplyTo(&c.SecureServing, &c.LoopbackClientConfig); err != nil {
			return err
		}
		if err := authentication.ApplyTo(&c.Authentication, c.SecureServing, nil); err != nil {
			return err
		}
		if err := authorization.ApplyTo(&c.Authorization); err != nil {
			return err
		}
		names := openapinamer.NewDefinitionNamer(api.Scheme)
		c.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, names)
		c.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.GetOpenAPIDefinitions, names)
		for _, info := range []*string{&c.OpenAPIConfig.Info.Title, &c.OpenAPIV3Config.Info.Title} {
			*info = "Kubernetes metrics-server"
		}
		c.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()

		s, err := (server.Config{
			Apiserver: c, Rest: config, Kubelet: kubelets,
			MetricResolution: resolution, ScrapeTimeout: timeout, NodeSelector: nodes,
		}).Complete()
		if err != nil {
			return err
		}
		return s.RunUntil(genericapiserver.SetupSignalHandler())
	}
	return command
}

func clusterConfig(kubeconfig string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig) // in-cluster where the path is empty
	if err != nil {
		return nil, err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	return config, rest.SetKubernetesDefaults(config)
}
