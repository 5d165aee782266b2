//! `auth = { kind = "...", ... }` of an upstream: which identity it is called with.
//! Holds references to secrets, never secrets.

use serde::{Deserialize, Serialize};

/// How requests to an upstream are authenticated.
///
/// In TOML: `auth = { kind = "bearer", key = "env:OPENAI_API_KEY" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AuthConfig {
    /// No credential: an engine on a private network. (Braces, since serde lets a unit variant
    /// take unknown fields.)
    None {},
    /// `Authorization: Bearer KEY`.
    Bearer {
        /// The key.
        key: SecretRef,
    },
    /// A key in a header of the provider's own: `api-key` (Azure), `x-goog-api-key` (Gemini),
    /// `x-api-key` (Anthropic).
    Header {
        /// The header's name.
        name: String,
        /// The key.
        key: SecretRef,
    },
    /// OpenAI: a bearer key, with the organisation and project it is billed to.
    Openai {
        /// The key.
        key: SecretRef,
        /// `OpenAI-Organization`. Absent: the key's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        organization: Option<String>,
        /// `OpenAI-Project`. Absent: the key's default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<String>,
    },
    /// AWS Signature Version 4, as Bedrock wants it.
    Sigv4 {
        /// The AWS region, such as `eu-central-1`. Absent: the upstream's region, then
        /// `AWS_REGION`, then `AWS_DEFAULT_REGION`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// The service's signing name. Default `bedrock`.
        #[serde(default = "bedrock")]
        service: String,
        /// Where the access keys come from.
        source: AwsSource,
    },
    /// Microsoft Entra: an application's client secret, exchanged for a token.
    Entra {
        /// The directory, by identifier or domain.
        tenant: String,
        /// The application's identifier.
        client_id: String,
        /// Its secret.
        client_secret: SecretRef,
        /// Where tokens are asked for. Default `https://login.microsoftonline.com`.
        #[serde(default = "entra_authority")]
        authority: String,
        /// What tokens are asked for. Default `https://cognitiveservices.azure.com/.default`.
        #[serde(default = "entra_scope")]
        scope: String,
    },
    /// Microsoft Entra: a token of another issuer, exchanged (AKS workload identity). What is absent
    /// comes from the variables that AKS sets.
    EntraWorkloadIdentity {
        /// The directory. Absent: `AZURE_TENANT_ID`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// The application's identifier. Absent: `AZURE_CLIENT_ID`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// The token's file, read at each refresh. Absent: `AZURE_FEDERATED_TOKEN_FILE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_file: Option<String>,
        /// Where tokens are asked for. Absent: `AZURE_AUTHORITY_HOST`, then
        /// `https://login.microsoftonline.com`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authority: Option<String>,
        /// What tokens are asked for. Default `https://cognitiveservices.azure.com/.default`.
        #[serde(default = "entra_scope")]
        scope: String,
    },
    /// Azure's managed identity of the machine, the App Service or the Container App.
    ManagedIdentity {
        /// A user-assigned identity's client identifier. Absent: the system's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// The metadata service. Absent: `IDENTITY_ENDPOINT` with `IDENTITY_HEADER` where the
        /// platform sets them, else `http://169.254.169.254`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// What tokens are asked for. Default `https://cognitiveservices.azure.com`.
        #[serde(default = "azure_resource")]
        resource: String,
    },
    /// A Google service account's key file.
    GoogleServiceAccount {
        /// The key file, JSON.
        file: String,
        /// Default `https://www.googleapis.com/auth/cloud-platform`.
        #[serde(default = "google_scope")]
        scope: String,
        /// Where tokens are asked for. Absent: the file's `token_uri`, which stays the audience
        /// of the assertion in either case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_url: Option<String>,
    },
    /// The service account of the Google machine or pod this runs in.
    GoogleMetadata {
        /// The metadata server. Default `http://metadata.google.internal`.
        #[serde(default = "google_metadata")]
        endpoint: String,
    },
    /// Google's workload identity federation: a foreign token, exchanged.
    GoogleWorkloadIdentity {
        /// The credential configuration, JSON of type `external_account`.
        file: String,
        /// Default `https://www.googleapis.com/auth/cloud-platform`.
        #[serde(default = "google_scope")]
        scope: String,
    },
    /// Oracle Cloud: a user's API signing key.
    Oci {
        /// The tenancy's OCID.
        tenancy: String,
        /// The user's OCID.
        user: String,
        /// The key's fingerprint, as the console shows it.
        fingerprint: String,
        /// The private key, PEM.
        key_file: String,
        /// Decrypts it. Absent: it is not encrypted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<SecretRef>,
    },
    /// Oracle Cloud: a profile of the CLI's configuration file, with a key or a session token.
    OciConfig {
        /// The file. Default `~/.oci/config`.
        #[serde(default = "oci_file")]
        file: String,
        /// The profile. Default `DEFAULT`.
        #[serde(default = "oci_profile")]
        profile: String,
    },
    /// Oracle Cloud: the identity of the compute instance this runs in.
    OciInstancePrincipal {
        /// The metadata service. Default `http://169.254.169.254/opc/v2`.
        #[serde(default = "oci_metadata")]
        metadata_endpoint: String,
        /// Where certificates are exchanged for tokens. Absent: `https://auth.REGION.DOMAIN/v1/x509`,
        /// region and domain from the metadata service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        federation_endpoint: Option<String>,
        /// The instance's certificate, PEM, in a file. Absent: from the metadata service.
        /// Needs `key_file`, and `federation_endpoint`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_file: Option<String>,
        /// The certificate's key, PEM, in a file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key_file: Option<String>,
        /// Intermediate certificates, PEM, in a file. Only with `certificate_file`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        intermediate_file: Option<String>,
    },
}

/// `source` of [`AuthConfig::Sigv4`]: where AWS access keys come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "from", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AwsSource {
    /// Keys by reference.
    Keys {
        /// The access key's identifier.
        access_key_id: SecretRef,
        /// The secret that belongs to it.
        secret_access_key: SecretRef,
        /// The token of a temporary key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_token: Option<SecretRef>,
    },
    /// A profile of the shared credentials file. Read again every few minutes.
    Profile {
        /// The profile. Default `default`.
        #[serde(default = "aws_profile")]
        profile: String,
        /// The file. Absent: `AWS_SHARED_CREDENTIALS_FILE`, then `~/.aws/credentials`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials_file: Option<String>,
    },
    /// The role of an ECS task or EKS pod.
    Container {
        /// Absent: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` under `http://169.254.170.2`, then
        /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// Sent as `Authorization`. Absent: `token_file`, then the platform's variable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<SecretRef>,
        /// Read at each refresh. Absent: `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_file: Option<String>,
    },
    /// A role assumed with an identity token (EKS service accounts, CI systems).
    WebIdentity {
        /// The role's ARN. Absent: `AWS_ROLE_ARN`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role_arn: Option<String>,
        /// The token's file, read at each refresh. Absent: `AWS_WEB_IDENTITY_TOKEN_FILE`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_file: Option<String>,
        /// Shown in CloudTrail. Default `forebay`.
        #[serde(default = "session_name")]
        session_name: String,
        /// Absent: `https://sts.REGION.amazonaws.com`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sts_endpoint: Option<String>,
    },
    /// The role of an EC2 instance (IMDSv2).
    Instance {
        /// The metadata service. Default `http://169.254.169.254`.
        #[serde(default = "imds")]
        endpoint: String,
    },
}

/// A secret by reference: `env:NAME` or `file:PATH`. Never prints, in case someone put the secret itself there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SecretRef(pub String);

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRef")
    }
}

macro_rules! defaults {
    ($($name:ident = $value:literal;)*) => { $(pub(crate) fn $name() -> String { $value.to_owned() })* };
}

defaults! {
    bedrock = "bedrock";
    entra_authority = "https://login.microsoftonline.com";
    entra_scope = "https://cognitiveservices.azure.com/.default";
    azure_resource = "https://cognitiveservices.azure.com";
    google_scope = "https://www.googleapis.com/auth/cloud-platform";
    google_metadata = "http://metadata.google.internal";
    oci_file = "~/.oci/config";
    oci_profile = "DEFAULT";
    oci_metadata = "http://169.254.169.254/opc/v2";
    aws_profile = "default";
    session_name = "forebay";
    imds = "http://169.254.169.254";
}
