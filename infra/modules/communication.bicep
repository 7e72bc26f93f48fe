// A new Communication Services resource.
param name string
param dataLocation string
param tags object

resource communication 'Microsoft.Communication/communicationServices@2023-04-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: { dataLocation: dataLocation }
}

output id string = communication.id
