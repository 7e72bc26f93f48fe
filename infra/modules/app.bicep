// The function app, on a plan that costs nothing while nothing arrives.
param token string
param location string
param tags object
param identityId string
param clientId string
param hostBlobEndpoint string
param packageContainerUrl string
param insightsConnectionString string
param openTelemetry bool
@description('App settings of the app itself; the host\'s are added to them.')
param settings object

var openTelemetrySettings = {
  AzureFunctionsJobHost__telemetryMode: 'OpenTelemetry'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: { instanceMemoryMB: 2048, maximumInstanceCount: 100 }
    }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(settings, openTelemetry ? openTelemetrySettings : {}, {
      AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: clientId
      APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
    })
  }

  // Whoever deploys does so as themselves: no passwords.
  #disable-next-line BCP225
  resource publishing 'basicPublishingCredentialsPolicies' = [
    for way in ['ftp', 'scm']: {
      name: way
      properties: { allow: false }
    }
  ]
}

output id string = app.id
output name string = app.name
